"""Places that finished files are handed on to: object storage, a data catalogue, another folder."""
