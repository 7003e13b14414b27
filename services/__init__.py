"""What Interlock decides and does, without a face: no module in here draws anything."""
