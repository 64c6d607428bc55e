"""The methods of the systems in params/systems.yaml."""
