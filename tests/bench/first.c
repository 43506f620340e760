/* first.c: the container of the start benchmark. Its first act is to read the clock; the
 * nanoseconds go, as one line, to the file named by the first argument. With a second
 * argument it then stays until it is told to stop. */
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static void quit(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

int main(int argc, char **argv)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);

    char line[32];
    char *p = line + sizeof(line);
    unsigned long long ns =
        (unsigned long long)t.tv_sec * 1000000000ULL + (unsigned long)t.tv_nsec;
    *--p = '\n';
    for (; ns > 0; ns /= 10)
        *--p = (char)('0' + ns % 10);
    int fd =
        argc > 1 ? open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;
    if (fd >= 0 && write(fd, p, (size_t)(line + sizeof(line) - p)) < 0)
        return 1;
    if (argc > 2) {
        signal(SIGTERM, quit);
        signal(SIGINT, quit);
        for (;;)
            pause();
    }
    return 0;
}
