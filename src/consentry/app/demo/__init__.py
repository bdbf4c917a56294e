"""The story that `consentry demo` tells: a real sidecar, three departments in processes of their
own, one customer who changes her mind. Nothing else imports this package.
"""
