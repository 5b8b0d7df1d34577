"""The paper's figures, from what runs and studies leave behind."""
