"""Every task as a timeline: known latents, a noise floor, prompts over time."""
