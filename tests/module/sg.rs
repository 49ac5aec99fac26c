// SPDX-License-Identifier: GPL-2.0

//! A faulty channel for memory of programs, with lists of pairs and short spans; and tests of
//! streaming buffers.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection::{
        self,
        Bidirectional,
        FromDevice,
        ToDevice, //
    },
    of,
    prelude::*,
    ThisModule, //
};

use ferrodma::{
    client::Client,
    dma::streaming::{
        Buffers,
        DeviceBuffers, //
    },
    driver::{
        parameters::Parameters,
        ChannelDriver, //
    },
    engine::Compatible,
    memory::Backing,
    uapi::Seg, //
};

use crate::{
    cutting,
    faulty,
    run_tests,
    streaming_example, //
};

/// Most bytes in one job.
const MAX_JOB_BYTES: u64 = 64 << 10;

/// Returns bytes that differ from place to place.
fn pattern() -> impl Iterator<Item = u8> {
    // CAST: Only the low bits are used.
    (0u32..).map(|n| (n.wrapping_mul(2654435761) >> 13) as u8)
}

/// Returns buffers of these sizes, filled with the pattern.
fn patterned(sizes: &[usize]) -> Result<Buffers> {
    let mut buffers = Buffers::new(sizes)?;
    for (byte, value) in buffers.iter_mut().flatten().zip(pattern()) {
        *byte = value;
    }
    Ok(buffers)
}

/// Returns whether buffers hold the pattern.
fn holds_pattern(buffers: &Buffers) -> bool {
    buffers
        .iter()
        .flatten()
        .copied()
        .eq(pattern().take(buffers.iter().map(<[u8]>::len).sum()))
}

/// Returns two lists of a word each.
fn two_words<'a>(
    dev: &'a Device<Bound>,
    from: DataDirection,
    to: DataDirection,
) -> Result<(DeviceBuffers<'a>, DeviceBuffers<'a>)> {
    Ok((
        Buffers::new(&[4])?.map(dev, from)?,
        Buffers::new(&[4])?.map(dev, to)?,
    ))
}

/// Moves the pattern between buffers of these sizes. Returns whether it arrived.
fn moves(dev: &Device<Bound>, client: &Client, src: &[usize], dst: &[usize]) -> Result<bool> {
    let src = patterned(src)?.map(dev, ToDevice)?;
    let dst = Buffers::new(dst)?.map(dev, FromDevice)?;
    let (src, dst) = client.transfer(src, dst)?;
    Ok(holds_pattern(&dst.unmap()) && holds_pattern(&src.unmap()))
}

/// Tests lists with different boundaries; none has as few spans as those that fail on purpose.
fn differently_cut_lists(dev: &Device<Bound>, client: &Client) -> Result<bool> {
    let unit = client.alignment();
    let moves = |src: &[usize], dst: &[usize]| -> Result<bool> {
        let scale = |list: &[usize]| -> Result<KVec<usize>> {
            let mut scaled = KVec::with_capacity(list.len(), GFP_KERNEL)?;
            for len in list {
                scaled.push(len * unit, GFP_KERNEL)?;
            }
            Ok(scaled)
        };
        moves(dev, client, &scale(src)?, &scale(dst)?)
    };
    Ok(moves(&[15001], &[1, 2, 3, 14995])?
        && moves(&[1; 256], &[256])?
        && moves(&[1; 256], &[1; 256])?
        && moves(&[1024; 5], &[5119, 1])?
        && moves(&[2000, 100, 5000, 1092, 7], &[97, 4143, 3952, 7])?)
}

/// Tests spans as long as the engine takes, and longer ones, which become two.
fn longest_span(dev: &Device<Bound>, client: &Client) -> Result<bool> {
    // CAST: A small number.
    let (most, unit) = (faulty::SHORT as usize, client.alignment());
    Ok(moves(dev, client, &[most], &[most])?
        && moves(dev, client, &[most; 5], &[most + unit, 4 * most - unit])?
        && moves(
            dev,
            client,
            &[most + unit, most, most, most],
            &[4 * most + unit],
        )?)
}

fn one_entry_each(dev: &Device<Bound>) -> Result<bool> {
    let sizes = [1, 63, 64, 4096, 12345];
    let mut buffers = Buffers::new(&sizes)?.map(dev, Bidirectional)?;
    let bytes: u64 = buffers.addresses().map(|(_, len)| len).sum();
    let none = buffers.addresses().any(|(_, len)| len == 0);
    // SAFETY: No hardware knows the addresses.
    let buffers = unsafe { buffers.into_idle() }.unmap();
    Ok(bytes == 1 + 63 + 64 + 4096 + 12345
        && !none
        && buffers.iter().map(<[u8]>::len).eq(sizes)
        && buffers.iter().flatten().all(|&byte| byte == 0))
}

/// Tests that bytes which the CPU writes before a mapping, and between two syncs, stay.
fn ownership_goes_round(dev: &Device<Bound>) -> Result<bool> {
    let buffers = patterned(&[5000, 3])?.map(dev, Bidirectional)?;
    // SAFETY: No hardware knows the addresses, here and below.
    let mut buffers = unsafe { buffers.into_idle() }.sync_for_cpu();
    for byte in buffers.iter_mut().flatten() {
        *byte = !*byte;
    }
    let buffers = buffers.sync_for_device();
    // SAFETY: As above.
    let mut buffers = unsafe { buffers.into_idle() }.unmap();
    for byte in buffers.iter_mut().flatten() {
        *byte = !*byte;
    }
    Ok(holds_pattern(&buffers))
}

fn bad_buffers(dev: &Device<Bound>) -> Result<bool> {
    let refused = |sizes: &[usize]| Buffers::new(sizes).is_err_and(|error| error == EINVAL);
    let direction = Buffers::new(&[1])?.map(dev, DataDirection::None);
    Ok(refused(&[])
        && refused(&[1, 0])
        && direction.is_err_and(|rejected| rejected.error == EINVAL))
}

/// Tests that the buffers of a refused transfer are returned, and can be used.
fn bad_transfers(dev: &Device<Bound>, client: &Client) -> Result<bool> {
    for (from, to) in [(FromDevice, FromDevice), (ToDevice, ToDevice)] {
        let (src, dst) = two_words(dev, from, to)?;
        let Err(rejected) = client.transfer(src, dst) else {
            return Ok(false);
        };
        if rejected.error != EINVAL || rejected.value.is_none() {
            return Ok(false);
        }
    }

    let (_, dst) = two_words(dev, ToDevice, FromDevice)?;
    let src = patterned(&[4, 4])?.map(dev, ToDevice)?;
    let Err(unequal) = client.transfer(src, dst) else {
        return Ok(false);
    };

    let (mut src, dst) = two_words(dev, ToDevice, FromDevice)?;
    let _ = src.addresses().count();
    let Err(known) = client.transfer(src, dst) else {
        return Ok(false);
    };
    if let Some((src, _)) = known.value {
        // SAFETY: No hardware knows the addresses.
        drop(unsafe { src.into_idle() });
    }

    // CAST: A small number.
    let long = [
        MAX_JOB_BYTES as usize / 4,
        MAX_JOB_BYTES as usize * 3 / 4 + 4,
    ];
    let src = Buffers::new(&long)?.map(dev, ToDevice);
    let dst = Buffers::new(&long)?.map(dev, FromDevice);
    let Err(long) = client.transfer(src?, dst?) else {
        return Ok(false);
    };
    Ok(unequal.error == EINVAL && known.error == EINVAL && long.error == EMSGSIZE)
}

/// Tests that a paused engine is stopped, and that the buffers are returned and can be used again.
fn paused_engine_times_out(dev: &Device<Bound>, client: &Client) -> Result<bool> {
    let src = patterned(&[32; faulty::HALTS])?.map(dev, ToDevice)?;
    let dst = Buffers::new(&[64])?.map(dev, FromDevice)?;
    let Err(late) = client.transfer(src, dst) else {
        return Ok(false);
    };
    let Some((src, dst)) = late.value else {
        return Ok(false);
    };
    drop(src);
    let src = patterned(&[64])?.map(dev, ToDevice)?;
    let (_, dst) = client.transfer(src, dst)?;
    Ok(late.error == ETIMEDOUT && holds_pattern(&dst.unmap()))
}

fn bus_error_is_reported(dev: &Device<Bound>, client: &Client) -> Result<bool> {
    if !client.has_fault_irq() {
        return Err(EOPNOTSUPP);
    }
    let src = patterned(&[16; faulty::FAULTS])?.map(dev, ToDevice)?;
    let dst = Buffers::new(&[48])?.map(dev, FromDevice)?;
    let Err(bad) = client.transfer(src, dst) else {
        return Ok(false);
    };
    Ok(bad.error == EIO && bad.value.is_some() && moves(dev, client, &[48], &[48])?)
}

/// Tests addresses at which nothing is mapped, the lowest ones.
fn unmapped_user_memory(client: &Client) -> Result<bool> {
    let seg = |addr| [Seg { addr, len: 16 }];
    Ok(client.copy(&seg(16), &seg(64)) == Err(EFAULT))
}

pub(crate) struct Driver;

ferrodma::compatibles!(OF_TABLE, {
    "ferrodma,zynqmp-sg-test" => faulty::zdma_in_pairs,
    "ferrodma,bcm2835-sg-test" => faulty::bcm2835_short,
});

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-sgtest";
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<crate::LocalModule>();

    fn parameters() -> &'static Parameters {
        &crate::PARAMETERS
    }

    fn backing(_dev: &Device<Bound>) -> Result<Backing<'_>> {
        Ok(Backing::Pages {
            max_job_bytes: MAX_JOB_BYTES,
        })
    }

    fn self_test<'bound>(
        dev: &'bound Device<Bound>,
        client: &Client,
        _backing: &Backing<'bound>,
    ) -> Result {
        run_tests(&[
            (
                c"longest_span_and_one_more",
                &cutting::longest_span_and_one_more,
            ),
            (c"beyond_4_gib", &cutting::beyond_4_gib),
            (c"total_overflows", &cutting::total_overflows),
            (c"single_bytes", &cutting::single_bytes),
            (c"ends_of_pages", &cutting::ends_of_pages),
            (c"unequal_lists", &cutting::unequal_lists),
            (c"one_entry_each", &|| one_entry_each(dev)),
            (c"ownership_goes_round", &|| ownership_goes_round(dev)),
            (c"bad_buffers", &|| bad_buffers(dev)),
            (c"two_messages", &|| {
                streaming_example::two_messages(dev, client)
            }),
            (c"pairs_of_differently_cut_lists", &|| {
                differently_cut_lists(dev, client)
            }),
            (c"longest_span", &|| longest_span(dev, client)),
            (c"bad_transfers", &|| bad_transfers(dev, client)),
            (c"paused_engine_gives_buffers_back", &|| {
                paused_engine_times_out(dev, client)
            }),
            (c"bus_error_gives_buffers_back", &|| {
                bus_error_is_reported(dev, client)
            }),
            (c"unmapped_user_memory", &|| unmapped_user_memory(client)),
        ])
    }
}
