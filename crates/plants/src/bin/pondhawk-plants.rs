//! Lists the plants, a line each: name, crate, what is wrong, the rule that is broken, between tabs.

use pondhawk_plants::Plant;

fn main() {
    for plant in Plant::ALL {
        println!("{}\t{}\t{}\t{}", plant.name(), plant.place(), plant.what(), plant.breaks());
    }
}
