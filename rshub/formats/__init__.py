"""Bytes in, values out: canonical JSON, strict YAML, capped safetensors headers. Nothing here touches a disk."""
