"""Two ways to five Gaussians: the helpers behind the notebooks. Imports go one way:

files, processes → models, objectives → targets → training, recipes, experiments, memory →
metrics, plots → maps, claims → animation → runs → recorder, samples

Around this core, plug-ins that it never imports: `engine` takes the same steps faster, `images`
brings image datasets as targets, `study` measures many runs, `app` shows all of it in a browser,
and `cli` in a terminal.
"""
