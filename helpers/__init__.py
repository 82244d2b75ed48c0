"""Two ways to five Gaussians: the helpers behind the notebooks. Read the core top to bottom.

targets → models, objectives → training → recipes, experiments → runs, recorder → metrics, plots,
maps, animation → claims

The plug-ins beside it: `engine` takes the same steps faster, `images` brings image sets as
targets, `study` measures many runs, `app` shows all of it in a browser, `cli` in a terminal.
"""
