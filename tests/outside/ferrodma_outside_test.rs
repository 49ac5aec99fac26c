// SPDX-License-Identifier: GPL-2.0

//! A driver that is not built together with the helper, but later, against the files of that build.
//!
//! It calls every public function of the helper's crate, so that it links only if each of them is
//! exported; `scripts/build/outside.sh` lists those that it does not call. Its device is created only if
//! all return the right values.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    of,
    platform,
    prelude::*,
    ThisModule, //
};

use ferrodma::{
    client::Client,
    dma::{
        chain::Chains,
        coherent::CoherentBuffer,
        pool::{
            Block,
            BlockLayout,
            DmaPool, //
        },
        span::Span,
        streaming::Buffers,
        transfer::{
            Pairs,
            Transfer, //
        }, //
    },
    driver::{
        self,
        parameters::Parameters,
        ChannelDriver, //
    },
    engine::{
        bcm2835,
        zdma,
        Caps,
        Compatible,
        Descriptors,
        Engine,
        Outcome,
        Quiesced, //
    },
    memory::{
        blocks::BlockPool,
        Backing, //
    },
    uapi::Seg, //
};

/// Size in bytes of the buffer, and of each block.
const SIZE: usize = 4096;
const BLOCK: usize = 64;

/// Bytes that are moved at a time, a multiple of every engine's alignment.
const LEN: usize = 256;

/// Returns EIO unless `what` is true.
fn ensure(what: bool) -> Result {
    if what {
        Ok(())
    } else {
        Err(EIO)
    }
}

/// An engine of the helper, with access to more than the trait offers.
trait Known: Engine {
    /// Writes the descriptors of `src` once more, if the engine has a function for that.
    fn link_again(&self, src: &[Span], chains: &mut Chains);
}

impl Known for zdma::Zdma<'_> {
    fn link_again(&self, src: &[Span], chains: &mut Chains) {
        self.link(src.iter().copied(), &mut chains.src);
    }
}

impl Known for bcm2835::Bcm2835<'_> {
    fn link_again(&self, _src: &[Span], _chains: &mut Chains) {}
}

/// An engine that is not part of the helper: it wraps one, and checks its descriptors.
struct Watched<E>(E);

// SAFETY: The inner engine does all accesses to hardware.
unsafe impl<E: Known> Engine for Watched<E> {
    fn caps(&self) -> &Caps {
        self.0.caps()
    }

    fn descriptors(&self, transfer: &Transfer) -> Descriptors {
        self.0.descriptors(transfer)
    }

    fn encode(&self, transfer: &mut Transfer) {
        self.0.encode(transfer);
        if let (src, _, Some(chains)) = transfer.encoder() {
            self.0.link_again(src, chains);
            if chains.src.address(0) == 0 || chains.src.bytes(0).is_none() {
                pr_err!("failed to find the descriptors of a transfer\n");
            }
        }
    }

    unsafe fn start(&self, transfer: &Transfer) {
        // SAFETY: The caller promises the same.
        unsafe { self.0.start(transfer) };
    }

    fn acknowledge(&self) -> Outcome {
        self.0.acknowledge()
    }

    fn bytes_done(&self, transfer: &Transfer) -> u64 {
        self.0.bytes_done(transfer)
    }

    fn quiesce(&self, bytes: u64) -> Result<Quiesced> {
        self.0.quiesce(bytes)
    }

    fn restore(&self) {
        self.0.restore();
    }
}

/// Sets up a channel of ZDMA: first by its match data, then by its type.
fn zdma<'bound>(pdev: &'bound platform::Device<Bound>) -> Result<KBox<dyn Engine + 'bound>> {
    drop(zdma::attach(pdev)?);
    Ok(KBox::new(Watched(zdma::Zdma::new(pdev)?), GFP_KERNEL)?)
}

/// Sets up a channel of the BCM2835: first by its match data, then by its type.
fn bcm2835<'bound>(pdev: &'bound platform::Device<Bound>) -> Result<KBox<dyn Engine + 'bound>> {
    drop(bcm2835::attach(pdev)?);
    Ok(KBox::new(
        Watched(bcm2835::Bcm2835::new(pdev)?),
        GFP_KERNEL,
    )?)
}

/// Tests transfers, without hardware.
fn lists() -> Result {
    let mut transfer = Transfer::default();
    transfer.push_src([Span::new(0x1000, 100)], 64)?;
    transfer.push_dst([Span::new(0x2000, 50), Span::new(0x3000, 50)], 64)?;
    let cut = Pairs::count_of(transfer.src(), transfer.dst());
    ensure(
        transfer.total() == 100
            && transfer.src().len() == 2
            && transfer.src().iter().all(|span| !span.is_empty())
            && transfer.pairs().map(|pair| pair.len).eq([50, 14, 36])
            && cut == 3
            && transfer.chains().is_none(),
    )?;
    transfer.clear(Some(7));
    ensure(transfer.total() == 0 && transfer.fill() == Some(7))
}

/// Tests kernel memory that is mapped, in both directions.
fn streaming(dev: &Device<Bound>, client: &Client) -> Result {
    let (to, from) = (DataDirection::ToDevice, DataDirection::FromDevice);
    let mut src = Buffers::new(&[LEN])?;
    src.iter_mut().for_each(|buffer| buffer.fill(1));
    let dst = Buffers::new(&[LEN / 2, LEN / 2])?;
    let (src, dst) = client.transfer(src.map(dev, to)?, dst.map(dev, from)?)?;
    let (mut src, dst) = (src.sync_for_cpu(), dst.sync_for_cpu());
    ensure(dst.iter().flatten().all(|&byte| byte == 1))?;
    src.iter_mut().for_each(|buffer| buffer.fill(2));
    let (src, dst) = client.transfer(src.sync_for_device(), dst.sync_for_device())?;
    let (src, dst) = (src.sync_for_cpu().unmap(), dst.unmap());
    ensure(
        dst.iter()
            .eq(src.iter().flat_map(|all| all.chunks(LEN / 2))),
    )?;

    // Drops buffers in each state.
    drop(src.map(dev, to)?);
    let mut known = dst.map(dev, from)?;
    let bytes: u64 = known.addresses().map(|(_, len)| len).sum();
    // SAFETY: No hardware knows the addresses.
    let idle = unsafe { known.into_idle() };
    // CAST: A small number.
    ensure(bytes == LEN as u64)?;
    drop(idle.sync_for_cpu());
    // SAFETY: As above.
    drop(unsafe { Buffers::new(&[LEN])?.map(dev, from)?.into_idle() });
    Ok(())
}

/// Tests the blocks of a DMA pool and of a block pool.
fn blocks(dev: &Device<Bound>, client: &Client) -> Result {
    let layout = BlockLayout {
        size: BLOCK,
        align: BLOCK,
        boundary: 0,
    };
    let pool = DmaPool::new(dev, c"outside", layout)?;
    let (mut src, mut dst) = (KVec::new(), KVec::new());
    src.push(Block::zeroed(&pool, GFP_KERNEL)?, GFP_KERNEL)?;
    dst.push(Block::new(&pool, GFP_KERNEL)?, GFP_KERNEL)?;
    src[0].fill(3);
    let (src, dst) = client.transfer_blocks(src, dst)?;
    ensure(src[0][..] == dst[0][..] && pool.block_size() == BLOCK)?;

    let block_pool = BlockPool::new(dev, BLOCK, 4)?;
    let mut taken = block_pool.take(3)?;
    ensure(block_pool.free() == 1 && block_pool.total() == 4 && block_pool.block_size() == BLOCK)?;
    block_pool.give(&mut taken);
    ensure(block_pool.free() == 4)
}

/// Tests the buffer of the channel.
fn coherent(buffer: &CoherentBuffer<'_>, client: &Client) -> Result {
    // CAST: A small number, here and below.
    let seg = |at: usize| Seg {
        addr: at as u64,
        len: LEN as u64,
    };
    ensure(buffer.len() == SIZE && LEN % client.alignment() == 0)?;
    buffer.write(0, &[4; LEN])?;
    client.copy(&[seg(0)], &[seg(LEN)])?;
    client.fill(5, &[seg(2 * LEN)])?;
    let mut bytes = KVec::from_elem(0, 2 * LEN, GFP_KERNEL)?;
    buffer.read(LEN, &mut bytes)?;
    let (copied, filled) = bytes.split_at(LEN);
    ensure(copied.iter().all(|&byte| byte == 4) && filled.iter().all(|&byte| byte == 5))
}

ferrodma::parameters!();
ferrodma::compatibles!(OF_TABLE, {
    "ferrodma,zynqmp-test" => zdma,
    "ferrodma,versal2-outside-test" => zdma::attach_versal2,
    "ferrodma,bcm2835-test" => bcm2835,
});

struct Driver;

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-outside";
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<LocalModule>();

    fn parameters() -> &'static Parameters {
        &PARAMETERS
    }

    fn backing(dev: &Device<Bound>) -> Result<Backing<'_>> {
        // CAST: `SIZE` is a small number, and `usize` is wider.
        let size = driver::property_u32(dev, c"ferrodma,buffer-size", SIZE as u32) as usize;
        Ok(Backing::Buffer(CoherentBuffer::new(dev, size)?))
    }

    fn self_test<'bound>(
        dev: &'bound Device<Bound>,
        client: &Client,
        backing: &Backing<'bound>,
    ) -> Result {
        let Backing::Buffer(buffer) = backing else {
            return Err(EINVAL);
        };
        client.poll_small_jobs();
        dev_info!(dev, "errors interrupt: {}\n", client.has_fault_irq());
        lists()?;
        coherent(buffer, client)?;
        streaming(dev, client)?;
        blocks(dev, client)
    }
}

ferrodma::module_channel_driver! {
    type: Driver,
    name: "ferrodma_outside_test",
    authors: ["The ferrodma founders"],
    description: "A driver that is built outside of ferrodma",
    license: "GPL",
}
