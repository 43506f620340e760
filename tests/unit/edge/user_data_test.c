/* User data as people write it, and what is made of it. */
#include "unit.h"

#include "base64.h"
#include "user_data.h"

/* Settings as "NAME=VALUE;…" and notes as "note;…". */
static void reads(const char *text, const char *settings, const char *notes)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR coded = STR_INIT, got = STR_INIT, said = STR_INIT;
    struct user_data u;
    base64_add(&coded, text, strlen(text));
    user_data_parse(&a, str_text(&coded), &u);
    for (size_t n = 0; n < u.settings.n; n++)
        str_addf(&got, "%s=%s;", u.settings.v[n].key, u.settings.v[n].value);
    for (size_t n = 0; n < u.notes.n; n++)
        str_addf(&said, "%s;", u.notes.v[n]);
    assert_string_equal(str_text(&got), settings);
    assert_string_equal(str_text(&said), notes);
}

#define CONFIG "/etc/ecs/ecs.config"

static void echoes(void **state)
{
    reads("#!/bin/bash\necho ECS_CLUSTER=x >> " CONFIG "\n", "ECS_CLUSTER=x;", "");
    reads("#!/bin/bash\r\necho \"ECS_CLUSTER=x\" >> " CONFIG "\r\n", "ECS_CLUSTER=x;",
          "");
    reads("#!/bin/sh\n  echo 'ECS_CLUSTER=x' | tee -a " CONFIG, "ECS_CLUSTER=x;", "");
    reads("#!/bin/sh\nsudo echo ECS_CLUSTER=x>" CONFIG, "ECS_CLUSTER=x;", "");
    reads("#!/bin/sh\necho -e 'A_B=1\\nC=2' >> " CONFIG, "A_B=1;C=2;", "");
    reads("#!/bin/sh\necho -e \"A_B=1\\nC=2\" >> " CONFIG, "A_B=1;C=2;", "");
    reads("#!/bin/sh\necho A=1 >> " CONFIG "\necho A=2 >> " CONFIG, "A=2;", "");
    reads("#!/bin/sh\necho 'ECS_INSTANCE_ATTRIBUTES={\"a\":\"b>c\"}' >> " CONFIG,
          "ECS_INSTANCE_ATTRIBUTES={\"a\":\"b>c\"};", "");
    reads("#!/bin/sh\necho ECS_CLUSTER=$NAME >> " CONFIG, "",
          "not obeyed, it has a variable of the shell: ECS_CLUSTER=$NAME;");
    reads("#!/bin/sh\necho hello\nyum update -y\n# remark\n\n", "",
          "not run: echo hello;not run: yum update -y;");
    reads("#!/bin/sh\necho", "", "not run: echo;");
}

static void here_documents(void **state)
{
    reads("#!/bin/bash\ncat <<'EOF' >> " CONFIG
          "\nECS_CLUSTER=x\n\n# no\nB=\"2 3\"\nEOF\nls\n",
          "ECS_CLUSTER=x;B=2 3;", "not run: ls;");
    reads("#!/bin/bash\ncat >> " CONFIG " <<-END\n\tECS_CLUSTER=x\n\tEND\n",
          "ECS_CLUSTER=x;", "");
    reads("#!/bin/bash\ncat <<EOF > /tmp/x\nECS_CLUSTER=no\nEOF\n", "",
          "not run: cat <<EOF > /tmp/x;");
    reads("#!/bin/bash\ncat <<EOF >> " CONFIG "\nA=1", "A=1;", ""); /* it never ends */
}

static void cloud_configs(void **state)
{
    reads("#cloud-config\nwrite_files:\n  - path: " CONFIG
          "\n    content: |\n      ECS_CLUSTER=x\n      B=2\n  - content: C=3\n    "
          "path: " CONFIG
          "\n  - path: /etc/motd\n    content: |\n      D=4\npackages:\n  - nginx\n",
          "ECS_CLUSTER=x;B=2;C=3;", "file not written: /etc/motd;not obeyed: packages:;");
}

static void mime_messages(void **state)
{
    reads("Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n"
          "--==B==\nContent-Type: text/x-shellscript\n\n#!/bin/bash\necho A=1 >> " CONFIG
          "\n--==B==\nContent-Type: text/cloud-config\n\n#cloud-config\nwrite_files:\n"
          "- path: " CONFIG "\n  content: B=2\n--==B==--\n",
          "A=1;B=2;", "");
}

static void nonsense(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct user_data u;
    reads("hello", "", "neither a script nor cloud-config: hello;");
    user_data_parse(&a, "AAAA", &u); /* zeros */
    assert_int_equal(u.notes.n, 1);
    user_data_parse(&a, "!", &u);
    assert_int_equal(u.notes.n, 1);
    user_data_parse(&a, NULL, &u);
    assert_int_equal(u.notes.n + u.settings.n, 0);
}

static void arguments_of_the_agent(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR coded = STR_INIT, got = STR_INIT, said = STR_INIT;
    static const char text[] =
        "#!/bin/bash\ncat <<EOF >> " CONFIG "\nECS_CLUSTER=x\n"
        "ECS_INSTANCE_ATTRIBUTES={\"a\":\"b\"}\nECS_RESERVED_MEMORY=much\n"
        "ECS_CONTAINER_STOP_TIMEOUT=10s\nECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n"
        "ECS_DISABLE_IMAGE_CLEANUP=true\nECS_DYNAMIC_HOST_PORT_RANGE=40000-50000\n"
        "ECS_IMAGE_PULL_BEHAVIOR=sometimes\nHTTP_PROXY=x\nEOF\n";
    struct user_data u;
    struct string_list l = {0};
    base64_add(&coded, text, strlen(text));
    user_data_parse(&a, str_text(&coded), &u);
    user_data_arguments(&a, &u, &l);
    for (size_t n = 0; n < l.n; n++)
        str_addf(&got, "%s ", l.v[n]);
    for (size_t n = 0; n < u.notes.n; n++)
        str_addf(&said, "%s;", u.notes.v[n]);
    assert_string_equal(str_text(&got), "--cluster=x --attribute=a=b --stop-timeout=10s "
                                        "--image-cleanup=off --port-range=40000-50000 ");
    assert_string_equal(
        str_text(&said),
        "not obeyed, the value is not understood: ECS_RESERVED_MEMORY=much;"
        "not obeyed, the value is not understood: ECS_IMAGE_PULL_BEHAVIOR=sometimes;"
        "not obeyed: HTTP_PROXY;");
    assert_string_equal(user_data_setting(&u, "ECS_CLUSTER"), "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes),        cmocka_unit_test(here_documents),
        cmocka_unit_test(cloud_configs), cmocka_unit_test(mime_messages),
        cmocka_unit_test(nonsense),      cmocka_unit_test(arguments_of_the_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
