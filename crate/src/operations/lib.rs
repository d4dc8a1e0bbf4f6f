//! Which operation has failed: the attribute [`napi`] is that of the glue, and has errors tell the function that was called.

use proc_macro::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Block, Expr, ExprLit, ImplItem, Item, Lit, Meta, ReturnType, Signature, Token, Type,
    parse_quote,
};

/// Exports an item as the glue's attribute of the same name does. An error of a function or a method is told the name that
/// JavaScript has for it, by `Error::of`. Constructors tell none.
#[proc_macro_attribute]
pub fn napi(options: TokenStream, item: TokenStream) -> TokenStream {
    let item = match syn::parse::<Item>(item.clone()) {
        Ok(Item::Fn(mut function)) => {
            tell(
                &options_in(options.clone()),
                &function.sig,
                &mut function.block,
            );
            function.into_token_stream()
        }
        Ok(Item::Impl(mut methods)) => {
            for item in &mut methods.items {
                let ImplItem::Fn(method) = item else { continue };
                if let Some(options) = method.attrs.iter().find_map(exported) {
                    tell(&options, &method.sig, &mut method.block);
                }
            }
            methods.into_token_stream()
        }
        // The glue says what is wrong with what is no item.
        _ => item.into(),
    };
    let options = proc_macro2::TokenStream::from(options);
    quote!(#[napi_derive::napi(#options)] #item).into()
}

type Options = Punctuated<Meta, Token![,]>;

fn options_in(tokens: TokenStream) -> Options {
    Options::parse_terminated.parse(tokens).unwrap_or_default()
}

/// Returns the options of a method that is exported.
fn exported(attribute: &Attribute) -> Option<Options> {
    if !attribute.path().is_ident("napi") {
        return None;
    }
    Some(
        attribute
            .parse_args_with(Options::parse_terminated)
            .unwrap_or_default(),
    )
}

/// Has a function that can fail tell its name.
fn tell(options: &Options, signature: &Signature, block: &mut Block) {
    let ReturnType::Type(_, result) = &signature.output else {
        return;
    };
    if !is_result(result)
        || options
            .iter()
            .any(|option| option.path().is_ident("constructor"))
    {
        return;
    }
    let name = options
        .iter()
        .find_map(named)
        .unwrap_or_else(|| camel_case(&signature.ident.to_string()));
    *block = parse_quote!({
        let operation = || -> #result #block;
        operation().map_err(|error| error.of(#name))
    });
}

fn is_result(returned: &Type) -> bool {
    match returned {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "Result"),
        _ => false,
    }
}

/// Returns the name that an option gives a function.
fn named(option: &Meta) -> Option<String> {
    let Meta::NameValue(option) = option else {
        return None;
    };
    match &option.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(name),
            ..
        }) if option.path.is_ident("js_name") => Some(name.value()),
        _ => None,
    }
}

/// Spells a name as the glue does.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        name + &initial.to_uppercase() + rest
    })
}
