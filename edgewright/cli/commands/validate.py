"""`edgewright validate`."""

EXAMPLES = (("edgewright validate", "check names, files, columns, algorithms and schemes"),)


def command() -> None:
    """Find every mistake in params.yaml that can be found without computing."""
    from edgewright.engine.validate import require_valid
    from edgewright.engine.workspace import Workspace

    workspace = Workspace.find()
    require_valid(workspace)
    params = workspace.params()
    count = sum(len(v.model) * len(v.aq) * len(v.gq) * len(v.target) for v in params.variants)
    print(f"params.yaml is right: {count} variant{'' if count == 1 else 's'}")
