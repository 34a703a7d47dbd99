// LocalProvider
