"""A release's steps in words. Pure."""

from builder.plan.release import (
    BootWeb,
    ConfigureProxy,
    DeliverFiles,
    Drain,
    KeepAssets,
    Migrate,
    Prune,
    PullImage,
    PurgeVarnish,
    Record,
    RemoveRelease,
    RunBackup,
    SetMaintenance,
    StartServices,
    StartWorkers,
    Step,
    StopWeb,
    StopWorkers,
    Swap,
    WarmUp,
    Watch,
)

_ROLES = {
    "install": "set up the database",
    "migrate": "upgrade the database",
    "import": "import the configuration",
}


def describe_step(step: Step) -> str:
    """One line on what a step does."""
    match step:
        case PullImage():
            return f"pull {step.image}"
        case DeliverFiles(secrets_of=int()):
            return f"deliver configuration, and the secrets of release {step.secrets_of}"
        case DeliverFiles():
            return "deliver configuration and secrets"
        case ConfigureProxy():
            return "reload the proxy with its new configuration"
        case StartServices(restart=restart) if restart:
            return f"start anew, INTERRUPTING THE SHOP: {', '.join(restart)}"
        case StartServices():
            return f"start {', '.join(step.start) or 'the proxy and services'}"
        case SetMaintenance(on=True):
            return "answer visitors 503 (maintenance window begins)"
        case SetMaintenance():
            return "serve visitors again (maintenance window ends)"
        case RunBackup():
            return "run the backup command"
        case Migrate():
            return f"{_ROLES[step.role]}, once, in a container that is thrown away"
        case BootWeb():
            return f"start the web containers of release {step.release} in slot {step.slot}"
        case WarmUp():
            return f"warm up {', '.join(step.paths)}"
        case Swap():
            return f"send new requests to release {step.release} (slot {step.slot})"
        case PurgeVarnish():
            return f"have Varnish forget all pages: {', '.join(step.servers)}"
        case Watch():
            return f"watch release {step.release} for {step.seconds} s"
        case Drain():
            return f"wait until slot {step.slot} has no request left"
        case StopWorkers():
            return f"stop cron and consumers of release {step.release}; what runs may finish"
        case StartWorkers():
            return f"start cron and consumers of release {step.release}"
        case KeepAssets():
            return f"keep the static files of release {step.release} for pages that are open"
        case StopWeb():
            return f"stop the web containers of release {step.release}"
        case Record():
            return f"record release {step.release} as the current one"
        case RemoveRelease():
            return f"remove what release {step.release} has started"
        case Prune():
            return f"remove what only releases other than {', '.join(map(str, step.keep))} need"
