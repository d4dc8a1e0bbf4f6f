# What libnbd makes of the server, by its shell: `nbdsh -c "exec(open('session.py').read())"` with the URI in $uri.
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import errno
import os

MIB = 2**20
SIZE = 64 * MIB
uri = os.environ["uri"]


def negotiating():
    h = nbd.NBD()
    h.set_opt_mode(True)
    h.set_full_info(True)
    h.connect_uri(uri)
    return h


def fails(expected, call, *args):
    try:
        call(*args)
    except nbd.Error as error:
        assert error.errno == errno.errorcode[expected], f"{call} {args}: {error.string} ({error.errno})"
    else:
        raise AssertionError(f"{call} {args} did not fail")


# Options
h = negotiating()
assert h.get_protocol() == "newstyle-fixed"
exports = []
assert h.opt_list(lambda name, description: exports.append((name, description))) == 1
assert exports == [("memory", "64 MiB of guest memory")], exports
h.opt_info()
assert h.get_size() == SIZE
h.set_export_name("disk")
fails(errno.ENOENT, h.opt_info)
fails(errno.ENOENT, h.opt_go)
h.set_export_name("memory")
h.opt_go()
assert h.get_canonical_export_name() == "memory"
assert (h.get_size(), h.get_export_description()) == (SIZE, "64 MiB of guest memory")
sizes = [h.get_block_size(kind) for kind in (nbd.SIZE_MINIMUM, nbd.SIZE_PREFERRED, nbd.SIZE_MAXIMUM)]
assert sizes == [1, 4096, 32 * MIB], sizes
offered = [h.can_flush(), h.can_fua(), h.can_trim(), h.can_zero(), h.can_multi_conn()]
assert offered == [True] * 5, offered
assert h.can_df() and h.get_structured_replies_negotiated()
assert not any([h.is_read_only(), h.is_rotational(), h.can_cache(), h.can_fast_zero()])
h.shutdown()

h = negotiating()
h.opt_abort()

# Requests, and what libnbd would not send by itself
h = nbd.NBD()
h.connect_uri(uri)
other = nbd.NBD()
other.connect_uri(uri)
h.set_strict_mode(0)
data = os.urandom(3 * MIB)
h.pwrite(data, 7 * MIB, nbd.CMD_FLAG_FUA)
assert other.pread(len(data), 7 * MIB) == data
h.zero(MIB, 8 * MIB)
h.zero(MIB, 9 * MIB, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA)
h.flush()
assert other.pread(3 * MIB, 7 * MIB) == data[:MIB] + bytes(2 * MIB)
h.trim(MIB, 7 * MIB, nbd.CMD_FLAG_FUA)
fails(errno.EINVAL, h.pread, 1, SIZE)
fails(errno.EINVAL, h.pread, 0, SIZE + 1)
fails(errno.EINVAL, h.pread, 512, 2**63 - 1024)
fails(errno.EINVAL, h.pread, 32 * MIB + 1, 0)
fails(errno.ENOSPC, h.pwrite, b"12", SIZE - 1)
fails(errno.EINVAL, h.pwrite, bytes(32 * MIB + 1), 0)
fails(errno.ENOSPC, h.zero, SIZE, 1)
fails(errno.EINVAL, h.trim, SIZE, 1)
fails(errno.EINVAL, h.cache, 512, 0)
fails(errno.EINVAL, h.zero, 512, 0, nbd.CMD_FLAG_FAST_ZERO)
fails(errno.EINVAL, h.pwrite, bytes(512), 0, 1 << 5)
fails(errno.EINVAL, h.trim, 512, 0, nbd.CMD_FLAG_NO_HOLE)
assert h.pread(512, SIZE - 512) == bytes(512)

# Data and holes
h.shutdown()
h = nbd.NBD()
h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
h.add_meta_context("qemu:dirty-bitmap:none")
h.connect_uri(uri)
h.set_strict_mode(0)
assert h.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION) and not h.can_meta_context("qemu:dirty-bitmap:none")
hole = nbd.STATE_HOLE | nbd.STATE_ZERO
h.zero(SIZE, 0)
h.pwrite(data[:MIB], 2 * MIB)
told = []
tell = lambda context, offset, entries, error: told.append((context, offset, list(entries)))
h.block_status(SIZE, 0, tell)
h.block_status(SIZE - 5 * MIB, 2 * MIB, tell, nbd.CMD_FLAG_REQ_ONE)
assert told == [
    (nbd.CONTEXT_BASE_ALLOCATION, 0, [2 * MIB, hole, MIB, 0, SIZE - 3 * MIB, hole]),
    (nbd.CONTEXT_BASE_ALLOCATION, 2 * MIB, [MIB, 0]),
], told
fails(errno.EINVAL, h.block_status, SIZE, 1, tell)
fails(errno.EINVAL, h.block_status, 0, 0, tell)
read = []
h.pread_structured(4 * MIB, 0, lambda part, offset, status, error: read.append((len(part), offset, status)))
assert sum(length for length, _, status in read if status == nbd.READ_HOLE) == 3 * MIB, read
assert [(length, offset) for length, offset, status in read if status == nbd.READ_DATA] == [(MIB, 2 * MIB)], read
assert h.pread_structured(3 * MIB, MIB, lambda *_: None, nbd.CMD_FLAG_DF) == bytes(MIB) + data[:MIB] + bytes(MIB)

# Without structured replies
h = nbd.NBD()
h.set_request_structured_replies(False)
h.connect_uri(uri)
assert not h.can_df() and not h.get_structured_replies_negotiated()
assert h.pread(3 * MIB, MIB) == bytes(MIB) + data[:MIB] + bytes(MIB)

# Many at once
buffers = [nbd.Buffer(64 * 1024) for _ in range(200)]
cookies = {h.aio_pread(buffer, index * 64 * 1024) for index, buffer in enumerate(buffers)}
while cookies:
    h.poll(-1)
    cookies = {cookie for cookie in cookies if not h.aio_command_completed(cookie)}
h.shutdown()
print("content")
