"""A stack from nothing to a running shop: the order of steps."""

from builder.build.disk import explain_refusal
from builder.build.image import Watcher
from builder.build.images import provide_images
from builder.dev.compose import Stack, explain_failure, run_compose, start_services
from builder.dev.memory import open_to_images
from builder.dev.shop import (
    Site,
    install_packages,
    remove_leftovers,
    set_up_shop,
    take_over_settings,
)
from builder.render.development import render_compose, render_images


def bring_up(
    site: Site,
    watcher: Watcher,
    *,
    packages_missing: bool,
    epoch: int,
    builder: str | None,
) -> tuple[str, ...]:
    """Bring a stack up, from whatever state it is in.

    Each step looks first and does nothing where nothing is to be done; one that was killed is done
    again.

    Args:
        site: the stack, its plan and its tree.
        watcher: told of progress.
        packages_missing: vendor/ is not what composer.lock says.
        epoch: SOURCE_DATE_EPOCH of the images.
        builder: the buildx builder, or None for the current one.

    Returns:
        What was done to the shop.

    Raises:
        BuildError, DiskFullError, HostError, StackError, TreeError: a step failed.
    """
    stack, plan = site.stack, site.plan
    provide_images(
        render_images(plan),
        work=plan.state / "work",
        epoch=epoch,
        builder=builder,
        run=stack.run,
        env=stack.env,
        watcher=watcher,
    )
    open_to_images(plan)
    try:
        stack.file.write_text(render_compose(plan), encoding="utf-8")
    except OSError as error:
        raise explain_refusal(error, plan.state) from None
    remove_leftovers(stack)
    watcher.phase("starting the services")
    start_services(stack, (one for one in plan.services if one != "web"))
    done: tuple[str, ...] = ()
    if packages_missing:
        watcher.phase("installing Composer's packages")
        install_packages(site)
        done = ("packages",)
    done = (*done, *set_up_shop(site, watcher))
    if take_over_settings(site, watcher):
        done = (*done, "settings")
    watcher.phase("starting the shop")
    start_services(stack, ("web",))
    return done


def bring_down(stack: Stack, *, volumes: bool) -> None:
    """Remove a stack's containers and network, and its data if wanted. The tree stays as it is.

    Raises:
        HostError, StackError: the engine does not do so.
    """
    remove_leftovers(stack)
    flags = ("--volumes",) if volumes else ()
    done = run_compose(stack, "down", "--remove-orphans", "--timeout", "20", *flags)
    if done.returncode != 0:
        raise explain_failure(stack, done, "down", ())
