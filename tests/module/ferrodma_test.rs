// SPDX-License-Identifier: GPL-2.0

//! The coherent driver.
use kernel::prelude::*;
struct M;
impl kernel::Module for M {
    fn init(_m: &'static ThisModule) -> Result<Self> {
        pr_info!("{}\n", ferrodma::uapi::FUNCTION_COHERENT);
        Ok(M)
    }
}
module! { type: M, name: "ferrodma_test", authors: ["x"], description: "x", license: "GPL", }
