#!/usr/bin/env bash
# Builds the production image.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'END'
Usage: ./docker-build.sh [OPTION...]

Builds the production image from the Dockerfile in this folder. ./docker-run.sh runs it.

  --image NAME         name of the image, with a tag if you like [$IMAGE, or cloakroom-login]
  --platform PLATFORM  build for another architecture, such as linux/arm64; needs an engine that can
  --no-cache           build everything anew
  --help               show this
END
}

die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}

wrong() {
    printf '%s: %s\nTry: %s --help\n' "$0" "$*" "$0" >&2
    exit 2
}

image=${IMAGE:-cloakroom-login}
options=()
while (($#)); do
    case $1 in
    --image | --platform)
        [[ -n ${2:-} ]] || wrong "$1 needs a value"
        if [[ $1 == --image ]]; then image=$2; else options+=("$1" "$2"); fi
        shift
        ;;
    --no-cache) options+=("$1") ;;
    --help | -h)
        usage
        exit
        ;;
    *) wrong "unknown option: $1" ;;
    esac
    shift
done

command -v docker >/dev/null || die "there is no \`docker\`; install Docker: https://docs.docker.com/get-docker/"
docker info >/dev/null 2>&1 ||
    die "the Docker daemon does not answer; start Docker, and see \`docker info\` for what is wrong"

docker build "${options[@]}" --tag "$image" . || die "the image $image was not built; what went wrong is above"
echo "Built $image. Run it with: ./docker-run.sh$([[ $image == cloakroom-login ]] || printf ' --image %q' "$image")"
