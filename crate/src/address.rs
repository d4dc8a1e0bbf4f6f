//! `Address`: arithmetic on guest addresses (upstream `address.rs`), as functions in a namespace.

use operations::napi;
use vm_memory::{Address, GuestAddress};

use crate::node::error::Result;
use crate::node::value::{BigU64, Value};

/// Takes the two arguments of a function of this namespace.
fn addresses(a: Value, (b, name): (Value, &str)) -> Result<(GuestAddress, u64)> {
    Ok((GuestAddress(a.u64("a")?), b.u64(name)?))
}

/// Takes an address and a power of two. For other numbers, upstream panics or computes nonsense.
fn aligned(a: Value, power_of_two: Value) -> Result<(GuestAddress, u64)> {
    let (address, power) = addresses(a, (power_of_two, "powerOfTwo"))?;
    if !power.is_power_of_two() {
        return Err(power_of_two.out_of_range("powerOfTwo", "a power of two"));
    }
    Ok((address, power))
}

fn bigint(address: GuestAddress) -> BigU64 {
    BigU64(address.raw_value())
}

/// Returns `a + other`, or null if the sum overflows 64 bits. (`Address::checked_add`)
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, other: U64",
    ts_return_type = "bigint | null"
)]
pub fn checked_add(a: Value, other: Value) -> Result<Option<BigU64>> {
    let (a, other) = addresses(a, (other, "other"))?;
    Ok(a.checked_add(other).map(bigint))
}

/// Returns `a - other`, or null if the difference is negative. (`Address::checked_sub`)
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, other: U64",
    ts_return_type = "bigint | null"
)]
pub fn checked_sub(a: Value, other: Value) -> Result<Option<BigU64>> {
    let (a, other) = addresses(a, (other, "other"))?;
    Ok(a.checked_sub(other).map(bigint))
}

/// Returns `a + other` modulo 2^64, and whether the sum overflowed. (`Address::overflowing_add`)
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, other: U64",
    ts_return_type = "[bigint, boolean]"
)]
pub fn overflowing_add(a: Value, other: Value) -> Result<(BigU64, bool)> {
    let (a, other) = addresses(a, (other, "other"))?;
    let (sum, overflowed) = a.overflowing_add(other);
    Ok((bigint(sum), overflowed))
}

/// Returns `a - other` modulo 2^64, and whether the difference overflowed. (`Address::overflowing_sub`)
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, other: U64",
    ts_return_type = "[bigint, boolean]"
)]
pub fn overflowing_sub(a: Value, other: Value) -> Result<(BigU64, bool)> {
    let (a, other) = addresses(a, (other, "other"))?;
    let (difference, overflowed) = a.overflowing_sub(other);
    Ok((bigint(difference), overflowed))
}

/// Returns `a + other` modulo 2^64, as upstream does in a release build. (`Address::unchecked_add`)
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, other: U64",
    ts_return_type = "bigint"
)]
pub fn unchecked_add(a: Value, other: Value) -> Result<BigU64> {
    let (a, other) = addresses(a, (other, "other"))?;
    Ok(bigint(a.overflowing_add(other).0))
}

/// Returns `a - other` modulo 2^64, as upstream does in a release build. (`Address::unchecked_sub`)
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, other: U64",
    ts_return_type = "bigint"
)]
pub fn unchecked_sub(a: Value, other: Value) -> Result<BigU64> {
    let (a, other) = addresses(a, (other, "other"))?;
    Ok(bigint(a.overflowing_sub(other).0))
}

/// Returns the distance from `base` up to `a`, or null if `a` lies before `base`. (`Address::checked_offset_from`)
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, base: U64",
    ts_return_type = "bigint | null"
)]
pub fn checked_offset_from(a: Value, base: Value) -> Result<Option<BigU64>> {
    let (a, base) = addresses(a, (base, "base"))?;
    Ok(a.checked_offset_from(GuestAddress(base)).map(BigU64))
}

/// Returns the distance from `base` up to `a` modulo 2^64, as upstream does in a release build.
/// (`Address::unchecked_offset_from`)
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, base: U64",
    ts_return_type = "bigint"
)]
pub fn unchecked_offset_from(a: Value, base: Value) -> Result<BigU64> {
    let (a, base) = addresses(a, (base, "base"))?;
    Ok(bigint(a.overflowing_sub(base).0))
}

/// Rounds `a` up to a multiple of `powerOfTwo`. Returns null if the result overflows 64 bits.
/// (`Address::checked_align_up`)
///
/// @throws `ERR_OUT_OF_RANGE` unless `powerOfTwo` is a power of two
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, powerOfTwo: U64",
    ts_return_type = "bigint | null"
)]
pub fn checked_align_up(a: Value, power_of_two: Value) -> Result<Option<BigU64>> {
    let (a, power) = aligned(a, power_of_two)?;
    Ok(a.checked_align_up(power).map(bigint))
}

/// Rounds `a` up to a multiple of `powerOfTwo`, modulo 2^64, as upstream does in a release build.
/// (`Address::unchecked_align_up`)
///
/// @throws `ERR_OUT_OF_RANGE` unless `powerOfTwo` is a power of two
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, powerOfTwo: U64",
    ts_return_type = "bigint"
)]
pub fn unchecked_align_up(a: Value, power_of_two: Value) -> Result<BigU64> {
    let (a, power) = aligned(a, power_of_two)?;
    let mask = power - 1;
    Ok(bigint(a.overflowing_add(mask).0 & !mask))
}

/// Returns the bits of `a` that are set in `mask`. (`Address::mask`)
#[napi(
    namespace = "GuestAddress",
    catch_unwind,
    ts_args_type = "a: U64, mask: U64",
    ts_return_type = "bigint"
)]
pub fn mask(a: Value, mask: Value) -> Result<BigU64> {
    let (a, mask) = addresses(a, (mask, "mask"))?;
    Ok(BigU64(a.mask(mask)))
}
