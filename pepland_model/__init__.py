"""PharmHGT over peptide heterographs: model, masking, trainer, embeddings."""
