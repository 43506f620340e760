/* How many tasks with an interface of their own an instance of a type may have. AWS's
 * numbers (EC2 user guide, network interfaces per instance type; ECS developer guide,
 * container instances with increased interface limits): the types of a generation go alike,
 * by size. */
#include <stdio.h>

#include "ec2_state.h"

struct size {
    const char *name;
    uint8_t plain, trunked; /* tasks; the instance's own interface is not counted */
};

struct family {
    const char *names; /* each between blanks */
    struct size sizes[14];
};

static const struct family families[] = {
    {" t2 ",
     {{"nano", 1, 0},
      {"micro", 1, 0},
      {"small", 2, 0},
      {"medium", 2, 0},
      {"large", 2, 0},
      {"xlarge", 2, 0},
      {"2xlarge", 2, 0}}},
    {" t3 t3a t4g ",
     {{"nano", 1, 0},
      {"micro", 1, 0},
      {"small", 2, 0},
      {"medium", 2, 0},
      {"large", 2, 0},
      {"xlarge", 3, 0},
      {"2xlarge", 3, 0}}},
    {" a1 ",
     {{"medium", 1, 10},
      {"large", 2, 10},
      {"xlarge", 3, 20},
      {"2xlarge", 3, 40},
      {"4xlarge", 7, 60},
      {"metal", 7, 60}}},
    {" c5 c5a c5ad c5d c5n m5 m5a m5ad m5d m5dn m5n m5zn r5 r5a r5ad r5b r5d r5dn r5n ",
     {{"large", 2, 10},
      {"xlarge", 3, 20},
      {"2xlarge", 3, 40},
      {"3xlarge", 7, 60},
      {"4xlarge", 7, 60},
      {"6xlarge", 7, 60},
      {"8xlarge", 7, 60},
      {"9xlarge", 7, 60},
      {"12xlarge", 7, 60},
      {"16xlarge", 14, 120},
      {"18xlarge", 14, 120},
      {"24xlarge", 14, 120},
      {"metal", 14, 120}}},
    {" c6a c6i c6id c6in c7a c7i m6a m6i m6id m6idn m6in m7a m7i r6a r6i r6id r6idn r6in "
     "r7a r7i r7iz ",
     {{"medium", 1, 4},
      {"large", 2, 10},
      {"xlarge", 3, 20},
      {"2xlarge", 3, 40},
      {"4xlarge", 7, 60},
      {"8xlarge", 7, 90},
      {"12xlarge", 7, 120},
      {"16xlarge", 14, 120},
      {"24xlarge", 14, 120},
      {"32xlarge", 14, 120},
      {"48xlarge", 14, 120},
      {"metal", 14, 120}}},
    {" c6g c6gd c6gn c7g c7gd c7gn c8g m6g m6gd m7g m7gd m8g r6g r6gd r7g r7gd r8g ",
     {{"medium", 1, 4},
      {"large", 2, 10},
      {"xlarge", 3, 20},
      {"2xlarge", 3, 40},
      {"4xlarge", 7, 60},
      {"8xlarge", 7, 60},
      {"12xlarge", 7, 60},
      {"16xlarge", 14, 120},
      {"24xlarge", 14, 120},
      {"48xlarge", 14, 120},
      {"metal", 14, 120}}},
};

static const struct size *size_of(const char *type)
{
    const char *dot = strchr(type, '.');
    char name[32];
    if (!dot || snprintf(name, sizeof(name), " %.*s ", (int)(dot - type), type) >=
                    (int)sizeof(name))
        return NULL;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        if (strstr(families[i].names, name))
            for (const struct size *s = families[i].sizes; s->name; s++)
                if (streq(s->name, dot + 1))
                    return s;
    return NULL;
}

uint32_t ec2_task_interface_limit(const char *instance_type, bool trunking)
{
    const struct size *s = instance_type ? size_of(instance_type) : NULL;
    if (!s)
        return 0;
    return trunking && s->trunked ? s->trunked : s->plain;
}
