"""Build ResNet-20, ToyCar and stories260k, which are not in the default, and print their table.

    make bench-models
"""

from benchmarks import workspace

if __name__ == "__main__":
    folder = workspace.HOME / "more-models"
    if not (folder / "params.yaml").is_file():
        workspace.make(folder)
    (folder / "params.yaml").write_bytes((workspace.ROOT / "benchmarks/more_models.yaml").read_bytes())
    workspace.call(["edgewright", "run"], folder, show=True)
