"""The methods of params/systems.yaml: a module a method, which its name is that of.

Each has the method's `Settings` and its `FACTS`. One whose index is fitted after training has
`new`, too, which returns the index before it is fitted. They import no library until an index is
asked for: the params of the pipeline are checked by them each time that it is started.
"""
