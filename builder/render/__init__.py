"""Plans -> text: Dockerfiles and the configuration inside the image, by templates alone."""
