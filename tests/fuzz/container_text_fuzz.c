/* container_text_fuzz.c: texts that containers and images bring along: log lines, and the
 * host's resolv.conf and list of ports, which others edit. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "container_files.h"
#include "container_log.h"
#include "host_ports.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly that size: a look beyond it is seen. */
    char *line = malloc(size ? size : 1);
    if (!line)
        return 0;
    memcpy(line, data, size);
    struct log_entry e;
    bool partial;
    if (cri_line_parse(line, size, &e, &partial))
        assert(e.text >= line && e.text + e.len == line + size);
    free(line);

    struct str text = STR_INIT, out = STR_INIT, again = STR_INIT;
    str_addn(&text, data, size);
    resolv_conf_filter(str_text(&text), NULL, &out);
    /* Only at the beginning of a line is it a resolver. */
    assert(strncmp(str_text(&out), "nameserver 127.", 15) != 0);
    assert(!strstr(str_text(&out), "\nnameserver 127."));
    struct error err;
    if (port_list_add(str_text(&text), 5, 9, &out, &err) == 0) {
        assert(port_list_covers(str_text(&out), 5, 9));
        assert(port_list_add(str_text(&out), 5, 9, &again, &err) == 0);
        assert(strcmp(str_text(&out), str_text(&again)) == 0);
    }
    str_free(&text);
    str_free(&out);
    str_free(&again);
    return 0;
}
