#include "names.h"

#include "str.h"

void names_of_balancer(struct resolver *r, const struct gantry_edge_balancer *b)
{
    AUTO_ARENA a = ARENA_INIT;
    struct string_list addresses = {0};
    const struct elbv2_load_balancer *lb = b->load_balancer;
    bool open = lb->scheme == ELBV2_LOAD_BALANCER_SCHEME_ENUM_INTERNET_FACING;
    for (size_t i = 0; i < b->interfaces.n; i++) {
        const struct gantry_edge_interface *eni = &b->interfaces.v[i];
        const char *address = open ? eni->public_ip : eni->private_ip_address;
        if (!str_empty(address))
            *LIST_PUSH(&a, &addresses) = address;
    }
    resolver_name(r, lb->load_balancer_arn, lb->dns_name, addresses.v, addresses.n);
}

void names_of_balancer_gone(struct resolver *r, const char *arn)
{
    resolver_name(r, arn, NULL, NULL, 0);
}

void names_of_vpc(struct resolver *r, const struct gantry_edge_vpc *v)
{
    AUTO_STR domain = STR_INIT;
    if (str_empty(v->region))
        return;
    str_addf(&domain, "%s.compute.internal", v->region);
    resolver_domain(r, streq(v->region, "us-east-1") ? "ec2.internal" : domain.data);
}
