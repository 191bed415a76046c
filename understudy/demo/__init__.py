"""The show of `make up` and `make demo`: a web application, a rolling update and a rollback, watched live.

`story` is what happens, `board` how it looks (pure), `audience` what is read of the cluster meanwhile.
"""
