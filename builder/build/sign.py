"""Signing an image and checking its signature, with cosign and a key of one's own.

Nothing leaves for the internet: no transparency log, no certificate authority. The flags and
exit codes are cosign 2.5's (`cosign sign --help`; sigstore/cosign `doc/cosign_exit_codes.md`).
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import HostError, SignatureError
from builder.process import Completed, Runner
from builder.registry.access import RegistryAccess
from builder.registry.reference import ImageReference

_TIMEOUT = 200.0  # seconds; cosign itself gives up after three minutes
_NO_SIGNATURE = 10
_NO_MATCHING_SIGNATURE = 12


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key for cosign.

    Attributes:
        key: path of the file, or a KMS URI such as `awskms://…`.
        password: of an encrypted key file; None for one in `password_file`, or none at all.
        password_file: file whose first line is the password.
    """

    key: str
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None

    def read_password(self) -> str:
        """The password, "" for a key without.

        Raises:
            SignatureError: the file cannot be read.
        """
        if self.password is not None:
            return self.password
        if self.password_file is None:
            return ""
        try:
            return self.password_file.read_text().partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise SignatureError(
                "the signing key's password cannot be read",
                where=str(self.password_file),
                hint="check the path and its permissions",
                details=(type(error).__name__,),
            ) from error


def sign_image(
    run: Runner,
    image: ImageReference,
    key: SigningKey,
    *,
    env: Mapping[str, str],
    access: RegistryAccess | None = None,
) -> None:
    """Sign an image that has been pushed; the signature is stored beside it.

    Signing again with the same key leaves one signature (cosign finds its own again).

    Args:
        run: runs cosign.
        image: with a digest; a tag might move between the push and the signature.
        key: the private key.
        env: the environment to run in (PATH, HOME, proxies); the password is added to it.
        access: how the registry is reached.

    Raises:
        SignatureError: cosign failed; its last lines are the details.
        HostError: cosign is not installed, or would publish what it signs.
    """
    _check_keeps_quiet(run, env)
    password = key.read_password()
    argv = ["cosign", "sign", "--key", key.key, "--tlog-upload=false", "--yes"]
    # An unset password makes cosign ask for one on the terminal.
    done = _run_cosign(run, argv, image, {**env, "COSIGN_PASSWORD": password}, access)
    if done.returncode != 0:
        lines = _last_lines(done, password)
        wrong = "decryption failed" in done.stderr
        raise SignatureError(
            "the signing key's password is wrong" if wrong else "the image could not be signed",
            where=str(image),
            hint="check the signing key and its password, and that the registry takes pushes",
            details=lines,
        )


def verify_image(
    run: Runner,
    image: ImageReference,
    public_key: str,
    *,
    env: Mapping[str, str],
    access: RegistryAccess | None = None,
) -> None:
    """Check that an image is signed by the owner of a key.

    Args:
        run: runs cosign.
        image: with a digest; a tag may stand for something else when it is deployed.
        public_key: path of the public key file, or a KMS URI.
        env: the environment to run in (PATH, HOME, proxies).
        access: how the registry is reached.

    Raises:
        SignatureError: unsigned, signed by another key, or not to be found out.
        HostError: cosign is not installed.
    """
    argv = [
        "cosign",
        "verify",
        "--key",
        public_key,
        # There is no entry in the log to look for: sign_image makes none.
        "--insecure-ignore-tlog=true",
        "--offline=true",
    ]
    done = _run_cosign(run, argv, image, env, access)
    if done.returncode == 0:
        return
    if done.returncode == _NO_SIGNATURE:
        message, hint = "the image is not signed", "push it with the signing key set"
    elif done.returncode == _NO_MATCHING_SIGNATURE:
        message = "the image is not signed by the configured key"
        hint = "find out who signed it, or configure the right public key"
    else:
        message = "the image's signature could not be checked"
        hint = "check the public key's path, and that the registry answers"
    raise SignatureError(message, where=str(image), hint=hint, details=_last_lines(done))


def _check_keeps_quiet(run: Runner, env: Mapping[str, str]) -> None:
    """Refuse a cosign that would tell the public log about a private image.

    cosign 3 takes its services from a signing configuration by default, and 3.0.2 uploaded in
    spite of `--tlog-upload=false` (sigstore/cosign#4503). Its version does not tell, since
    distributions build it without one; its help does.
    """
    usage = _run_program(run, ["cosign", "sign", "--help"], env, "cosign sign --help")
    text = usage.stdout + usage.stderr
    if "--tlog-upload" not in text or "--use-signing-config=true" in text:
        raise HostError(
            "this cosign is one that Kiln cannot keep from publishing signatures",
            hint="install cosign 2: `apt-get install cosign` on Debian 13, or"
            " https://github.com/sigstore/cosign/releases",
        )


def _run_cosign(
    run: Runner,
    argv: Sequence[str],
    image: ImageReference,
    env: Mapping[str, str],
    access: RegistryAccess | None,
) -> Completed:
    access = access or RegistryAccess()
    if image.digest is None:
        raise SignatureError(
            "only a digest can be signed or checked, a tag may move",
            where=str(image),
            hint="name the image as repository@sha256:…",
        )
    options = []
    if access.without_tls(image.registry):
        options.append("--allow-http-registry=true")
    elif access.ca_bundle is not None:
        options += ["--registry-cacert", str(access.ca_bundle)]
    # Only the digest: cosign warns about a tag beside it, and ignores it.
    target = str(image.with_digest(image.digest))
    environment = {**env, **_docker_config(access.auth_config)}
    return _run_program(run, [*argv, *options, target], environment, str(image))


def _run_program(run: Runner, argv: Sequence[str], env: Mapping[str, str], where: str) -> Completed:
    try:
        return run(argv, env=env, timeout=_TIMEOUT)
    except FileNotFoundError:
        raise HostError(
            "cosign is not installed",
            hint="install it: `apt-get install cosign` (in Debian since 13), or"
            " https://github.com/sigstore/cosign/releases",
        ) from None
    except subprocess.TimeoutExpired:
        raise SignatureError(
            "cosign did not end in time",
            where=where,
            hint="check that the registry and the key's KMS answer",
        ) from None


def _docker_config(auth_config: Path | None) -> dict[str, str]:
    if auth_config is None:
        return {}
    if auth_config.name != "config.json":
        raise SignatureError(
            "cosign reads logins only from a file named config.json",
            where=str(auth_config),
            hint="rename the file, or put it into a directory of its own under that name",
        )
    return {"DOCKER_CONFIG": str(auth_config.parent)}


def _last_lines(done: Completed, secret: str = "") -> tuple[str, ...]:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    # cosign says every error twice, the second time behind this prefix.
    lines = [line for line in lines if not line.startswith("error during command execution:")]
    if secret:
        lines = [line.replace(secret, "***") for line in lines]
    return tuple(lines[-5:])
