//! The table of errors, for what checks declarations and pages against it.

use napi_derive::napi;

use crate::node::error::{Property, errors};

/// Lists the rows of the table, each as name, class, code, upstream variant, when it is made, and its properties.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn error_table() -> Vec<Vec<String>> {
    errors()
        .map(|row| {
            let properties = row.properties.iter().map(|(name, kind)| match kind {
                Property::Address => format!("{name}: bigint"),
                Property::Count => format!("{name}: number"),
                Property::System => format!("{name}: number or kind: string"),
            });
            let class = format!("{:?}", row.class);
            let texts = [
                row.name,
                &class,
                row.code.unwrap_or_default(),
                row.variant.unwrap_or_default(),
                row.when.trim(),
            ];
            texts
                .map(str::to_owned)
                .into_iter()
                .chain(properties)
                .collect()
        })
        .collect()
}
