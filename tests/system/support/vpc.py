"""A VPC as an agent finds it: a network namespace pinned where an edge would pin it, without
an edge: there are no rules, only the list of whose rules are in force."""

import itertools
import os
import pathlib
import subprocess
import tempfile


class Vpc:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='gantry-vpc-'))
        self.id = 'vpc-0' + os.urandom(8).hex()
        self.netns = self.dir / self.id
        self.numbers = itertools.count(4)
        self.netns.touch()
        subprocess.run(['unshare', f'--net={self.netns}', 'ip', 'link', 'set', 'lo', 'up'],
                       check=True)
        self.inside('sysctl', '-qw', 'net.ipv4.ip_forward=1')
        self.inside('nft', 'table inet gantry { set sources { '
                    'type ifname . ether_addr . ipv4_addr; }; }')

    def inside(self, *command, check=True):
        return subprocess.run(['nsenter', f'--net={self.netns}', *command], capture_output=True,
                              text=True, check=check, timeout=30)

    def interface(self, in_force=True):
        """HostTask.interface, as the server says it."""
        n = next(self.numbers)
        made = {'attachmentArn': 'arn:aws:ecs:us-east-1:000000000000:attachment/' +
                os.urandom(16).hex(),
                'networkInterfaceId': 'eni-0' + os.urandom(8).hex(),
                'vpcId': self.id, 'subnetId': 'subnet-1', 'subnetCidrBlock': '172.31.0.0/20',
                'vpcCidrBlocks': ['172.31.0.0/16'], 'macAddress': f'06:00:00:00:00:{n:02x}',
                'privateIpAddress': f'172.31.0.{n}',
                'privateDnsName': f'ip-172-31-0-{n}.ec2.internal',
                'dnsServer': '172.31.0.2', 'searchDomain': 'ec2.internal'}
        if in_force:
            self.enforce(made)
        return made

    def enforce(self, interface):
        name = 'e' + interface['networkInterfaceId'][4:18]
        self.inside('nft', 'add element inet gantry sources { '
                    f'"{name}" . {interface["macAddress"]} . {interface["privateIpAddress"]} }}')

    def links(self):
        """Ends of interfaces that are there."""
        found = self.inside('ip', '-o', 'link').stdout.splitlines()
        return [line.split(': ')[1].split('@')[0] for line in found if ': lo:' not in line]

    def close(self):
        subprocess.run(['umount', self.netns], check=True)
        self.netns.unlink()
        self.dir.rmdir()
