"""The ops store's schema, revision by revision."""
