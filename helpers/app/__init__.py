"""The app: pages that train, sample and compare models in a browser on this machine.

`main` serves it, `jobs` trains in processes of their own, `forms` and `render` make what the
`pages` show.
"""
