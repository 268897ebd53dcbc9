"""What several test modules share; importable as ``support`` (``pythonpath`` in pyproject.toml)."""
