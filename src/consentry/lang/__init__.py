"""The policy language as text: grammar, tree, words, recovery, printer.

The only room that knows Lark.
"""
