"""A plug-in of napari: images in, labels out, and a panel that segments.

`napari.yaml` lists what it contributes. Nothing here imports napari, which finds it by its entry
point when ``pip install "pyengine[napari]"`` brought both.
"""
