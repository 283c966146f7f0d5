#!/usr/bin/env bash
# What a container of this image runs: change the lines in the middle, or set the variables in openmsi.env.
# In a shell of the container (docker run -it --entrypoint bash ...) type: . ./startup-script.sh

if [[ "${BASH_SOURCE[0]}" != "$0" ]]; then # sourced: run beside this shell, which then goes on as it was
    export MODULE TOPIC_NAME DATA CONFIG ARGS
    bash "${BASH_SOURCE[0]}" "$@"
    return
fi

set -euf # -f: a regular expression in ARGS is no pattern of file names

MODULE="${MODULE:-DataFileDownloadDirectory}" # a program, or a script of your own: python custom_folder/lines.py
TOPIC_NAME="${TOPIC_NAME-test}"
CONFIG="${CONFIG:-config.config}"
case $MODULE in # what stands behind the program first
    DataFile*Directory) DATA="${DATA-data}" ;; # the folder
    *) DATA="${DATA-}" ;;                      # for a processor nothing, or what it asks for, such as a bucket
esac

if [[ -z $TOPIC_NAME ]]; then
    echo "error: TOPIC_NAME is empty; name a topic in openmsi.env, with -e TOPIC_NAME=..., or in startup-script.sh" >&2
    exit 2
fi

# exec, so that docker stop reaches the program itself. MODULE and ARGS may be several words; openmsistream-start is the
# ENTRYPOINT of the base image, which says what was meant when MODULE is none of its programs.
# shellcheck disable=SC2086
exec openmsistream-start $MODULE ${DATA:+"$DATA"} --config "$CONFIG" --topic_name "$TOPIC_NAME" ${ARGS:-} "$@"
