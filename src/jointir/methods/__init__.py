"""The methods of params/systems.yaml: a module a method, which its name is that of.

Each has the method's `Settings` and its `FACTS`. One whose index is fitted after training has
`new`, too, which returns the index before it is fitted. One that trains an encoder, or an index
together with its query encoder, has `train`. They import no library until one of these is called:
the params of the pipeline are checked by them each time that it is started.
"""
