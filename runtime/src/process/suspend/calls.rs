//! Who calls whom, and so which functions may be suspended: those that loop, those that recurse, and all that call them.
//!
//! The others end by themselves after a bounded number of steps and stay as they are: leaves cost nothing.

use std::collections::{BTreeSet, HashMap};

use wasmparser::{FuncType, Operator};

use super::Coverage;
use super::model::Module;
use super::refusal::Refusal;

/// What a look at all functions' code tells.
pub(super) struct Calls {
    /// For each function that is not imported: may it be suspended?
    pub(super) suspend: Vec<bool>,
    /// For each type: may an indirect call with it lead to a function that may be suspended?
    pub(super) indirect: Vec<bool>,
    /// For each function that is not imported: does it drop segments?
    pub(super) drops: Vec<bool>,
    /// The data segments that the code drops.
    pub(super) dropped_data: BTreeSet<u32>,
    /// The element segments that the code drops.
    pub(super) dropped_elements: BTreeSet<u32>,
}

/// The graph of calls. After the functions come nodes for their types: an indirect call leads to its type, and from
/// there to every function of that type to which there are references.
#[derive(Default)]
struct Graph {
    edges: Vec<Vec<usize>>,
    /// Does the function run for long by itself?
    long: Vec<bool>,
}

impl Calls {
    pub(super) fn survey(module: &Module<'_>, coverage: Coverage) -> Result<Self, Refusal> {
        let count = module.bodies.len();
        let kinds = kinds(&module.types);
        let mut graph = Graph {
            edges: vec![Vec::new(); count + module.types.len()],
            long: vec![coverage == Coverage::Every; count],
        };
        let mut calls = Self {
            suspend: Vec::new(),
            indirect: Vec::new(),
            drops: vec![false; count],
            dropped_data: BTreeSet::new(),
            dropped_elements: BTreeSet::new(),
        };
        for function in &module.referable {
            let kind = module.functions.get(*function as usize).and_then(|ty| kinds.get(*ty as usize));
            if let (Some(local), Some(kind)) = (function.checked_sub(module.imported), kind) {
                graph.edges[count + kind].push(local as usize);
            }
        }
        for (index, body) in module.bodies.iter().enumerate() {
            let wrong = |error| Refusal::found(&error, Some(module.imported + index as u32));
            for operator in body.body.get_operators_reader().map_err(wrong)? {
                match operator.map_err(wrong)? {
                    Operator::Loop { .. } => graph.long[index] = true,
                    Operator::Call { function_index } => {
                        let local = function_index.checked_sub(module.imported).map(|local| local as usize);
                        graph.edges[index].extend(local.filter(|local| *local < count));
                    }
                    Operator::CallIndirect { type_index, .. } => {
                        graph.edges[index].extend(kinds.get(type_index as usize).map(|kind| count + kind));
                    }
                    Operator::DataDrop { data_index } => {
                        calls.drops[index] = true;
                        calls.dropped_data.insert(data_index);
                    }
                    Operator::ElemDrop { elem_index } => {
                        calls.drops[index] = true;
                        calls.dropped_elements.insert(elem_index);
                    }
                    _ => {}
                }
            }
            graph.edges[index].sort_unstable();
            graph.edges[index].dedup();
        }
        calls.suspend = graph.suspend();
        calls.indirect = kinds.iter().map(|kind| calls.suspend[count + kind]).collect();
        calls.suspend.truncate(count);
        Ok(calls)
    }

    /// May this function be suspended? Imports end before anything is suspended.
    pub(super) fn suspends(&self, module: &Module<'_>, function: u32) -> bool {
        let local = function.checked_sub(module.imported).and_then(|local| self.suspend.get(local as usize));
        local.copied().unwrap_or(false)
    }
}

/// For each type the first one that is equal to it: indirect calls compare types by structure.
fn kinds(types: &[FuncType]) -> Vec<usize> {
    let mut first = HashMap::new();
    types.iter().enumerate().map(|(index, ty)| *first.entry(ty).or_insert(index)).collect()
}

impl Graph {
    /// Tarjan's strongly connected components, without recursion: a hostile graph is as deep as it is large. Components
    /// end callees first, so what a component's callees do is known when it ends.
    fn suspend(&self) -> Vec<bool> {
        const NEW: usize = usize::MAX;
        let count = self.edges.len();
        let (mut order, mut low) = (vec![NEW; count], vec![0; count]);
        let (mut open, mut suspend) = (vec![false; count], vec![false; count]);
        let (mut waiting, mut path, mut next) = (Vec::new(), Vec::new(), 0);
        for root in 0..count {
            if order[root] != NEW {
                continue;
            }
            path.push((root, 0));
            while let Some((node, edge)) = path.pop() {
                if edge == 0 {
                    (order[node], low[node], open[node]) = (next, next, true);
                    next += 1;
                    waiting.push(node);
                } else {
                    let done = self.edges[node][edge - 1];
                    if open[done] {
                        low[node] = low[node].min(low[done]);
                    }
                }
                if let Some(&callee) = self.edges[node].get(edge) {
                    path.push((node, edge + 1));
                    if order[callee] == NEW {
                        path.push((callee, 0));
                    }
                    continue;
                }
                if low[node] == order[node] {
                    let from = waiting.iter().rposition(|waiter| *waiter == node).unwrap_or(0);
                    let component = waiting.split_off(from);
                    let recursive = component.len() > 1 || self.edges[node].contains(&node);
                    let does = recursive
                        || component.iter().any(|member| {
                            self.long.get(*member).copied().unwrap_or(false)
                                || self.edges[*member].iter().any(|callee| suspend[*callee])
                        });
                    for member in component {
                        (suspend[member], open[member]) = (does, false);
                    }
                }
            }
        }
        suspend
    }
}
