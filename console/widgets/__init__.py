"""The parts pages are made of: tables, cards, pickers, decisions. Nothing is styled twice."""
