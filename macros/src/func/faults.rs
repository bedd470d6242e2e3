//! Types that a delayed function cannot have.
//!
//! Owns the refusals and their wording; what is left to the compiler is whether a type can be serialized.

use syn::visit::{self, Visit};
use syn::{Lifetime, Type, TypeImplTrait, TypeReference};

use crate::mistakes::Mistakes;

/// The type inside the invisible delimiters of a macro, and inside parentheses.
pub(crate) fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => other,
    }
}

/// Refuses what cannot be stored and handed in.
pub(crate) fn argument(ty: &Type, mistakes: &mut Mistakes) {
    let inner = match ty {
        Type::Reference(reference) => {
            outermost(reference, mistakes);
            if let Type::TraitObject(object) = peel(&reference.elem) {
                let text =
                    "a trait object is stored in a box: take `Box<dyn …>`, with serde for it (see `typetag`)";
                mistakes.at(object, text);
            }
            &reference.elem
        }
        other => other,
    };
    Inner {
        mistakes,
        references: "a stored value owns its data: use `String`, `Vec<…>` or the plain type here",
    }
    .visit_type(inner);
}

/// Refuses what a worker cannot hold as a state.
pub(crate) fn state(ty: &Type, mistakes: &mut Mistakes) {
    let Type::Reference(reference) = ty else {
        Inner { mistakes, references: "a state owns its data: remove the reference" }.visit_type(ty);
        return;
    };
    outermost(reference, mistakes);
    let target = peel(&reference.elem);
    let slice = matches!(target, Type::Slice(_) | Type::TraitObject(_));
    if slice || matches!(target, Type::Path(path) if path.path.is_ident("str")) {
        mistakes.at(
            target,
            "a state is known by its type, which has a size: take `&String`, `&Vec<…>` or `&Arc<dyn …>`",
        );
    }
    Inner { mistakes, references: "a state owns its data: remove the inner reference" }.visit_type(target);
}

/// Refuses what a kept result cannot hold.
pub(crate) fn kept(ty: &Type, mistakes: &mut Mistakes) {
    Inner {
        mistakes,
        references: "a kept result owns its data: return `String`, `Vec<…>` or the plain type",
    }
    .visit_type(ty);
}

/// Refuses an `impl Trait` in what a function returns; whether there was one.
pub(crate) fn opaque(ty: &Type, mistakes: &mut Mistakes) -> bool {
    struct Opaque<'m> {
        mistakes: &'m mut Mistakes,
        found: bool,
    }
    impl<'ast> Visit<'ast> for Opaque<'_> {
        fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
            self.found = true;
            self.mistakes
                .at(ty, "a delayed function returns a type that has a name: write it instead of `impl …`");
        }
    }
    let mut opaque = Opaque { mistakes, found: false };
    opaque.visit_type(ty);
    opaque.found
}

/// The `&` of a parameter: shared, and no longer than the attempt.
fn outermost(reference: &TypeReference, mistakes: &mut Mistakes) {
    if let Some(word) = &reference.mutability {
        mistakes
            .at(word, "a delayed function gets a value of its own: take it by value, or by `&` to read it");
    }
    if let Some(lifetime) = &reference.lifetime
        && lifetime.ident == "static"
    {
        mistakes
            .at(lifetime, "what a delayed function borrows lives as long as the attempt: remove `'static`");
    }
}

/// Below the outermost `&`.
struct Inner<'m> {
    mistakes: &'m mut Mistakes,
    references: &'static str,
}

impl<'ast> Visit<'ast> for Inner<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        // One message for `&&&str`.
        self.mistakes.at(reference, self.references);
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let text =
            "a delayed function has no `impl Trait` parameters: a stored call has to know the type, name it";
        self.mistakes.at(ty, text);
    }

    fn visit_lifetime(&mut self, _: &'ast Lifetime) {
        // A named one needs a generic parameter, which is refused where it is declared.
    }

    fn visit_type(&mut self, ty: &'ast Type) {
        visit::visit_type(self, ty);
    }
}
