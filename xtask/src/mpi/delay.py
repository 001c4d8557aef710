"""Joins pairs of network devices, and holds back what enters at the first device of a pair.

    delay.py SECONDS NAME...

makes the devices NAMEa and NAMEb for each name. What is sent on one of them arrives at the other. The process may lose a
message only where a device does not take it. Messages stay as long as the kernel makes them (up to 64 KiB), so that a
connection of 1 Gbit/s costs little time.
"""

import fcntl
import os
import select
import struct
import sys
import time
from collections import deque

# linux/if_tun.h
SET_DEVICE, SET_OFFLOAD = 0x400454CA, 0x400454D0
ETHERNET, NO_PROTOCOL, WITH_HEADER = 0x0002, 0x1000, 0x4000
CHECKSUMS, LONG_SEGMENTS = 0x01, 0x02 | 0x04
LONGEST = 1 << 17


def device(name):
    """A new network device, whose messages the process reads and writes."""
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(handle, SET_DEVICE, struct.pack("16sH22x", name.encode(), ETHERNET | NO_PROTOCOL | WITH_HEADER))
    fcntl.ioctl(handle, SET_OFFLOAD, CHECKSUMS | LONG_SEGMENTS)
    return handle


def received(handle):
    """The messages that wait at a device."""
    while True:
        try:
            yield os.read(handle, LONGEST)
        except BlockingIOError:
            return


def send(handle, message):
    try:
        os.write(handle, message)
    except OSError:  # The device is down or full, as a wire may be.
        pass


def main():
    seconds, names = float(sys.argv[1]), sys.argv[2:]
    ways = {}
    for name in names:
        first, second = device(name + "a"), device(name + "b")
        ways[first], ways[second] = (second, seconds), (first, 0.0)
    print("ready", flush=True)
    held = deque()
    while True:
        rest = None
        while held:
            rest = held[0][0] - time.monotonic()
            if rest > 0.0:
                break
            _, other, message = held.popleft()
            send(other, message)
            rest = None
        for handle in select.select(list(ways), [], [], rest)[0]:
            other, late = ways[handle]
            for message in received(handle):
                if late:
                    held.append((time.monotonic() + late, other, message))
                else:
                    send(other, message)


main()
