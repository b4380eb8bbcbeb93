"""Build secrets: from kiln.yaml to what `docker buildx build --secret` takes. Never a value."""

from collections.abc import Mapping

from builder.errors import ProjectFileError
from builder.project.loading import Project
from builder.project.model import SecretSource


def resolve_secrets(project: Project, env: Mapping[str, str]) -> dict[str, str]:
    """Where each secret is, as `src=FILE` or `env=VARIABLE`.

    An auth.json in the tree, which never goes into the image, serves as `composer_auth` where
    none is configured. The CA bundle is handed in the same way.

    Args:
        project: the project.
        env: the environment, to see that variables are set; values are not read.

    Raises:
        ProjectFileError: a file is missing or a variable is not set.
    """
    secrets = {
        name: _resolve(project, name, source, env)
        for name, source in project.file.build.secrets.items()
    }
    own = project.root / "auth.json"
    if "composer_auth" not in secrets and own.is_file():
        secrets["composer_auth"] = f"src={own}"
    if project.file.build.ca_bundle is not None:
        bundle = project.root / project.file.build.ca_bundle
        if not bundle.is_file():
            raise ProjectFileError(
                f"there is no file {bundle}",
                where=project.where("build", "ca_bundle"),
                hint="name a PEM file, e.g. Debian's own, /etc/ssl/certs/ca-certificates.crt",
            )
        secrets["ca_bundle"] = f"src={bundle}"
    return secrets


def _resolve(project: Project, name: str, source: SecretSource, env: Mapping[str, str]) -> str:
    where = project.where("build", "secrets", name)
    if source.env is not None:
        if not env.get(source.env):
            raise ProjectFileError(
                f"the secret {name} is not there: {source.env} is not set",
                where=where,
                hint=f"set {source.env} in the environment of `kiln build`",
            )
        return f"env={source.env}"
    path = project.root / str(source.file)
    if not path.is_file():
        raise ProjectFileError(
            f"the secret {name} is not there: no file {path}",
            where=where,
            hint="put the file there; keep it out of git",
        )
    return f"src={path}"
