#include "stop_signal.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int stop_fd = -1;

static void on_stop(int signo)
{
    uint64_t one = 1;
    ssize_t n = write(stop_fd, &one, sizeof(one));
    (void)n;
}

int stop_signal_open(int *ret_fd, struct error *err)
{
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_fd < 0)
        return fail_errno(err, errno, "eventfd");
    struct sigaction act = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    *ret_fd = stop_fd;
    return 0;
}
