from generators.training.command import main

main()
