/* gantry: one program; its first argument says which part of it runs. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "help.h"
#include "str.h"

const struct command commands[] = {
    {CMD_UP, "up", "", "start gantry on this machine and keep it running",
     "Runs the server (APIs, state, registry; never as root), the edge (networks, load "
     "balancers, EC2 instances) and the agents that make this machine an instance of the "
     "cluster 'default' and of Fargate, each as a process of its own that is started "
     "again when it dies. Prints one line, 'gantry ready: URL', once calls are "
     "answered and this machine has joined.\n\n"
     "SIGTERM, SIGINT or 'gantry down' end it; containers go on, and the next 'gantry "
     "up' "
     "finds them. Two runs with different --data-dir, --run-dir and --listen do not "
     "touch "
     "each other.",
     0, 0, up_command},
    {CMD_DOWN, "down", "", "stop what 'gantry up' started",
     "Ends server, edge and agents; tasks, networks and load balancers keep running. "
     "With "
     "--purge it ends the tasks too and "
     "removes every container, network, mount and file of this run, whether or not it is "
     "still running, and asks nothing.",
     0, 0, down_command},
    {CMD_SERVER, "server", "", "run the server alone, in the foreground",
     "Serves the APIs and the registry until SIGTERM or SIGINT. Started by root it gives "
     "up "
     "root before it reads anything that others sent.",
     0, 0, server_command},
    {CMD_AGENT, "agent", "", "run the agent alone, in the foreground",
     "Makes this machine an instance of a cluster and runs its tasks until SIGTERM or "
     "SIGINT; containers go on. Its credentials are AWS_ACCESS_KEY_ID and "
     "AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN), or the root keys under --data-dir.",
     0, 0, agent_command},
    {CMD_EDGE, "edge", "", "run the edge alone, in the foreground",
     "Makes this machine's networks (VPCs), load balancers and EC2 instances as the "
     "server wants them, until SIGTERM or SIGINT; they go on without it. A server has "
     "one "
     "edge: a newer one takes over. Credentials as for 'gantry agent'; --public-pool "
     "must "
     "be the server's.",
     0, 0, edge_command},
    {CMD_STATUS, "status", "", "show what runs here",
     "The server and its health, the instances of its clusters, and the tasks and "
     "containers of this machine.",
     0, 0, status_command},
    {CMD_LOGS, "logs", "TASK [CONTAINER]", "print a container's output",
     "TASK is an ARN, an id, or the beginning of an id. What the container wrote to "
     "standard error is printed to standard error.",
     1, 2, logs_command},
    {CMD_EVENTS, "events", "", "print what happened",
     "Events of tasks, instances, services and deployments, oldest first, from the "
     "server's "
     "history, which outlives what DescribeTasks remembers. Without --since: the newest "
     "50 "
     "(--tail says how many). With --json a line is an event in EventBridge's form.",
     0, 0, events_command},
    {CMD_WHY, "why", "TASK|SERVICE", "say why it stopped, waits or is not steady",
     "TASK is an ARN or a full id, SERVICE an ARN or a name. Tells from the present "
     "state "
     "and the history of events why a task stopped or does not run, or why a service is "
     "not steady, and what to do next.",
     1, 1, why_command},
    {CMD_AUDIT, "audit", "", "print who called what",
     "Every call of the APIs: when, what, who, from where, and why it was refused. "
     "Without --since: the newest 50 (--tail says how many). With --json a line is a "
     "record in CloudTrail's form. What is done to data (objects of S3, items of "
     "DynamoDB, images of the registry) is in a log of its own: --data. For root and the "
     "server's user only.",
     0, 0, audit_command},
    {CMD_POLICY, "policy", "explain PRINCIPAL ACTION [RESOURCE]",
     "say which statement of a policy decides",
     "PRINCIPAL is the ARN of a user or role, ACTION such as s3:GetObject, RESOURCE an "
     "ARN "
     "(otherwise '*'). Prints whether it is allowed and the statement that says so. "
     "Exits "
     "with 2 when it is denied.",
     3, 4, policy_command},
    {CMD_EXEC, "exec", "TASK [--] COMMAND [ARGUMENT]...", "run a program in a container",
     "Runs it in a running container of this machine and exits with its exit status (128 "
     "+ "
     "N when signal N ended it).",
     2, -1, exec_command},
    {CMD_ENV, "env", "", "print what the AWS CLI and SDKs need, as shell exports",
     "Use it as: eval \"$(gantry env)\". The keys are readable by root and the server's "
     "user only, hence sudo. An AWS CLI older than 2.13 does not read AWS_ENDPOINT_URL: "
     "pass --endpoint-url \"$AWS_ENDPOINT_URL\", or use --cli.",
     0, 0, env_command},
    {CMD_DOCTOR, "doctor", "", "check what this machine lacks, and say how to mend it",
     "Looks at the kernel, programs, network settings, disk and port that 'gantry up' "
     "needs. Exits with 1 when something needed is missing.",
     0, 0, doctor_command},
    {CMD_VERSION, "version", "", "print the version", "Prints the version.", 0, 0,
     version_command},
    {CMD_HELP, "help", "[COMMAND]", "explain a command", "Explains a command.", 0, 1,
     help_command},
    {0},
};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (streq(c->name, name))
            return c;
    return NULL;
}

int version_command(struct options *o, struct error *err)
{
    puts("gantry " GANTRY_VERSION);
    return 0;
}

static int complain(const char *text, int status)
{
    fflush(stdout);
    fprintf(stderr, "gantry: %s\n", text);
    return status;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct options o;
    struct error err = ERROR_INIT;
    int r = options_parse(command, argc, argv, &o, &err);
    int status = 0;
    if (r < 0) {
        status = complain(err.text, 2);
    } else if (o.help) {
        help_of(command, stdout);
    } else {
        r = command->run(&o, &err);
        status = r < 0 ? complain(err.text, 1) : r;
    }
    options_free(&o);
    if (fflush(stdout) != 0 && status == 0)
        status = complain("standard output could not be written", 1);
    return status;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (streq(name, "--version") || streq(name, "-V"))
        name = "version";
    if (streq(name, "--help") || streq(name, "-h"))
        name = "help";
    if (!*name) {
        help_overview(stderr);
        return 2;
    }
    const struct command *command = command_find(name);
    if (!command) {
        AUTO_STR text = STR_INIT;
        str_addf(&text, "there is no command '%s'; see 'gantry help'", name);
        return complain(text.data, 2);
    }
    return run(command, argc - 1, argv + 1);
}
