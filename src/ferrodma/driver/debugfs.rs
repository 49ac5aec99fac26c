// SPDX-License-Identifier: GPL-2.0

//! The state of a channel in debugfs: `ferrodma/<device>/`.

use kernel::{
    debugfs::{
        Dir,
        Scope, //
    },
    device::{
        Bound,
        Device, //
    },
    fmt,
    prelude::*,
    str::CString,
    sync::{
        global_lock,
        Arc, //
    }, //
};

use crate::{
    channel::{
        stats::Stats,
        Channel, //
    },
    memory::blocks::BlockPool, //
};

global_lock! {
    // SAFETY: Initialised in the module's init, before any driver can use it.
    pub(crate) unsafe(uninit) static ROOT: Mutex<Option<Dir>> = None;
}

/// The debugfs files of a channel. Dropping it removes them.
pub(crate) type Shown = Scope<Arc<Channel>>;

/// Returns the name of the device's folder.
pub(crate) fn name_of(dev: &Device<Bound>) -> Result<CString> {
    CString::try_from_fmt(fmt!("{}", dev.name()))
}

/// Returns the folder of all devices, which is created for the first one and removed with the
/// module.
pub(crate) fn root() -> Dir {
    ROOT.lock()
        .get_or_insert_with(|| Dir::new(c"ferrodma"))
        .clone()
}

/// Creates the files of `channel` in the folder `name` below `root`. They exist as long as the
/// result.
pub(crate) fn show<'a>(
    root: &'a Dir,
    name: &'a CStr,
    channel: Arc<Channel>,
) -> impl PinInit<Shown, Error> + 'a {
    root.scope(
        Ok::<_, Error>(channel),
        name,
        |channel: &Arc<Channel>, dir| {
            dir.read_callback_file(c"version", channel, &show_version);
            dir.read_callback_file(c"jobs", channel, &|channel, f| {
                show_count(channel, f, |stats| stats.jobs)
            });
            dir.read_callback_file(c"bytes", channel, &|channel, f| {
                show_count(channel, f, |stats| stats.bytes)
            });
            dir.read_callback_file(c"errors", channel, &|channel, f| {
                show_count(channel, f, |stats| stats.errors)
            });
            dir.read_callback_file(c"timeouts", channel, &|channel, f| {
                show_count(channel, f, |stats| stats.timeouts)
            });
            dir.read_callback_file(c"cancelled", channel, &|channel, f| {
                show_count(channel, f, |stats| stats.cancelled)
            });
            dir.read_callback_file(c"jobs_out", channel, &|channel, f| {
                f.write_fmt(fmt!("{}\n", channel.state.lock().queue.jobs_out()))
            });
            dir.read_callback_file(c"still_mapped", channel, &|channel, f| {
                f.write_fmt(fmt!("{}\n", channel.state.lock().still_mapped()))
            });
            dir.read_callback_file(c"latency", channel, &show_latency);
            if channel.staging.blocks().is_some() {
                dir.read_callback_file(c"blocks", channel, &|channel, f| {
                    show_blocks(channel, f, BlockPool::total)
                });
                dir.read_callback_file(c"blocks_free", channel, &|channel, f| {
                    show_blocks(channel, f, BlockPool::free)
                });
            }
        },
    )
}

/// Writes the version of the user API.
fn show_version(channel: &Arc<Channel>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [_, major, minor, patch] = channel.info.version.to_be_bytes();
    f.write_fmt(fmt!("{major}.{minor}.{patch}\n"))
}

/// Writes one counter.
fn show_count(
    channel: &Channel,
    f: &mut fmt::Formatter<'_>,
    count: fn(&Stats) -> u64,
) -> fmt::Result {
    let count = count(&channel.state.lock().stats);
    f.write_fmt(fmt!("{count}\n"))
}

/// Writes a number of blocks.
fn show_blocks(
    channel: &Channel,
    f: &mut fmt::Formatter<'_>,
    count: fn(&BlockPool<'static>) -> usize,
) -> fmt::Result {
    let count = channel.staging.blocks().map_or(0, |blocks| count(blocks));
    f.write_fmt(fmt!("{count}\n"))
}

/// Writes the histogram of latencies.
fn show_latency(channel: &Arc<Channel>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // The text is formatted without the lock.
    let latency = channel.state.lock().stats.latency;
    latency.show(f)
}
