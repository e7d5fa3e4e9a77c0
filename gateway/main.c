/* main: the verb of the command line, and the exit status. */
#include "gateway/daemon/control.h"
#include "gateway/daemon/validate_command.h"
#include "gateway/daemon/version_command.h"

#include <stdio.h>
#include <stdlib.h>

static const char *environment(const char *name)
{
    return getenv(name);
}

static int run_verb(const struct options *options)
{
    switch (options->verb) {
    case VERB_RUN:
        return control_run(options);
    case VERB_VALIDATE:
        return validate_command_run(options);
    case VERB_VERSION:
        return version_command_run(options->is_json_output);
    case VERB_HELP:
    case VERB_COUNT:
        break;
    }
    return fputs(options_help(options->help_verb), stdout) >= 0 && fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err = { 0 };
    int status;

    if (options_parse(&options, argc, argv, environment, &err)) {
        status = run_verb(&options);
    } else {
        (void)fprintf(stderr, "gatehouse: %s\n", err.text); /* the status says it too */
        status = err_exit_status(&err);
    }
    options_cleanup(&options);
    return status;
}
