"""The Hub as we need it. The only room that imports huggingface_hub; every foreign error is mapped here, once."""
