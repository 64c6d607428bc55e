"""What trainings share: loop, checkpoint, dev on the way, processes, pairs and negatives."""
